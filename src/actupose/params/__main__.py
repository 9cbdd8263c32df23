"""``python -m actupose.params`` prints the JSON schema of the settings."""

import json

from actupose.params import Params

if __name__ == "__main__":
    print(json.dumps(Params.model_json_schema(), indent=2))
