"""Exit with 0 if Prefect's services are at work: their task worker has a heartbeat."""

import asyncio
import os
import sys

from docket import Docket


async def workers() -> int:
    """Count the living workers; the server's own work on another docket."""
    async with Docket(name="prefect", url=os.environ["PREFECT_SERVER_DOCKET_URL"]) as docket:
        return len(await docket.workers())


sys.exit(asyncio.run(workers()) == 0)
