"""Take the screenshots of this folder from running servers, with a browser that nobody sees.

    pip install playwright
    actupose up                                            # in another terminal, with a finished pipeline
    python docs/screenshots.py --runs udape_vae_hm-0 udape_vae_cl-0

Needs Debian's chromium, or another Chromium by --browser.
"""

import argparse
import json
import os
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient
from playwright.sync_api import Page, sync_playwright
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.sorting import FlowRunSort

FOLDER = Path(__file__).parent
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
DRAWN_MS = 3000


def main() -> None:
    """Compare two runs in MLflow, show a flow run's stages and its table in Prefect."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--mlflow", default="http://127.0.0.1:5000")
    parser.add_argument("--prefect", default="http://127.0.0.1:4200")
    parser.add_argument("--experiment", default="figures")
    parser.add_argument("--runs", nargs=2, required=True, help="names of the MLflow runs to compare")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=[*QUIET, *sandbox])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        compare_bins(page, arguments)
        flow_run(page, arguments.prefect)
        browser.close()


def compare_bins(page: Page, arguments: argparse.Namespace) -> None:
    """One chart with a line a run: PCK over bins."""
    client = MlflowClient(tracking_uri=arguments.mlflow)
    experiment = client.get_experiment_by_name(arguments.experiment).experiment_id
    found = {run.info.run_name: run.info.run_id for run in reversed(client.search_runs([experiment]))}
    chosen = {"runs": [found[name] for name in arguments.runs], "experiments": [experiment]}
    chosen |= {"metric": "bins/pck_0.05", "plot_metric_keys": ["bins/pck_0.05"]}
    query = "&".join(f"{key}={quote(json.dumps(value))}" for key, value in chosen.items())
    page.goto(f"{arguments.mlflow}/#/metric?{query}&x_axis=step")
    for name in arguments.runs:
        page.get_by_text(f"{name} (bins/pck_0.05)").wait_for()
    _close_assistant(page)
    _shoot(page, "mlflow-compare-bins.png")


def _close_assistant(page: Page) -> None:
    close = page.get_by_label("Close").last
    if page.get_by_text("MLflow Assistant").is_visible() and close.is_visible():
        close.click()


def flow_run(page: Page, prefect: str) -> None:
    """The newest finished pipeline: its stages, then the table it ends with."""
    with SyncPrefectClient(api=f"{prefect}/api") as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC)
    newest = next(run for run in runs if run.state_name == "Completed" and run.deployment_id)
    page.goto(f"{prefect}/runs/flow-run/{newest.id}")
    page.get_by_text("Task Runs").first.click()
    page.get_by_text("compare").first.wait_for()
    _shoot(page, "prefect-stages.png")
    page.get_by_text("Artifacts").last.click()
    page.get_by_text("comparison").first.click()
    page.get_by_text("hardest third").wait_for()
    _shoot(page, "prefect-comparison.png")


def _shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(DRAWN_MS)  # charts are animated
    page.screenshot(path=FOLDER / name)
    print(FOLDER / name)


if __name__ == "__main__":
    main()
