"""Which figures a report holds, with their captions; a figure that needs labels is absent without them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from actupose.params import Curriculum, Params, PeakCurriculum
from actupose.report import gallery
from actupose.report.aggregate import Comparison, history_curves, per_bin_curves
from actupose.report.photos import choose_photos
from actupose.report.plots.look import method_looks, png_bytes, report_style
from actupose.report.plots.photos import plot_columns, plot_photos
from actupose.report.plots.results import plot_groups, plot_per_bin
from actupose.report.plots.scores import plot_scores, plot_similarity, plot_variation
from actupose.report.plots.skeletons import plot_gallery
from actupose.report.plots.training import plot_flow, plot_histories, plot_reranking, plot_schedules
from actupose.report.read import BinnedData, Evidence
from actupose.report.similarity import POSES_PER_BIN, bin_similarity
from actupose.report.text import seeds_phrase
from actupose.skeleton import SKELETONS

# What of the history is shown, by its logged name; learning rate and speed are MLflow's to show.
LEARNING_CURVES = {
    "source": "heat-map loss, labelled images",
    "consistency": "consistency loss, target",
    "evalpose_source": "EvalPose loss, source (-1 to 1)",
    "evalpose_target": "EvalPose loss, target (-1 to 1)",
    "cross_domain": "cross-domain loss (-1 to 0)",
    "kept": "share of pseudo-labels kept",
    "pairs": "share of pairs below gamma",
    "source_val/pck_0.05": "source validation PCK@0.05",
}


@dataclass(frozen=True)
class ReportFigure:
    """A drawn figure; ``name`` is its file name without ``.png``."""

    name: str
    title: str
    caption: str
    png: bytes


def draw_figures(
    evidence: Evidence, comparison: Comparison, params: Params, data: BinnedData | None = None
) -> list[ReportFigure]:
    """All figures that the evidence allows, in the order of the report; without ``data`` none of it."""
    with report_style():
        return [
            *_result_figures(evidence, comparison, params),
            *_photo_figure(evidence, comparison, params),
            *(_score_figures(data, params) if data else ()),
            *_schedule_figures(evidence, params),
            *_learning_figure(evidence, comparison, params),
        ]


def draw_restyled(examples: dict[str, np.ndarray] | None) -> list[ReportFigure]:
    """Images before and after style transfer, if there is any."""
    if examples is None:
        return []
    caption = (
        "Training images of both domains, and each in the look of the one beside it, at full weight. The "
        "mean teacher restyles the student's source images and its own target images."
    )
    with report_style():
        return [_drawn("restyled", "Style transfer", caption, plot_columns(examples))]


def _drawn(name: str, title: str, caption: str, figure: Figure) -> ReportFigure:
    return ReportFigure(name, title, caption, png_bytes(figure))


def _result_figures(evidence: Evidence, comparison: Comparison, params: Params) -> Iterator[ReportFigure]:
    if not comparison.has_target_labels:
        return
    looks = method_looks(params, comparison.labels)
    pck = f"PCK@{comparison.threshold:g}"
    rule = f"Target test split; selection: last; {seeds_phrase(comparison)}."
    groups = [f"pck_{group}" for group in SKELETONS[params.data.skeleton].group_indices]
    columns = [column for column in comparison.columns["last"] if column.key in groups]
    figure = plot_groups(comparison.tables["last"], columns, looks, comparison.threshold)
    yield _drawn("pck_by_group", "Accuracy by joint group", rule, figure)
    names = {
        "pck_all": f"{pck}, all (%)",
        "evalpose_bone": "EvalPose bone (x100)",
        "evalpose_angle": "EvalPose angle (x100)",
    }
    panels = {name: per_bin_curves(evidence.runs, metric) for metric, name in names.items()}
    figure = plot_per_bin(panels, looks)
    sizes = evidence.runs[0].per_bin["count"]
    caption = f"{rule} Photographs a bin: {sizes.min()} to {sizes.max()}. Compare P2 figure 9."
    yield _drawn("per_bin", "Accuracy from easy to hard poses", caption, figure)


def _photo_figure(evidence: Evidence, comparison: Comparison, params: Params) -> Iterator[ReportFigure]:
    skeleton = SKELETONS[params.data.skeleton]
    photos = choose_photos(evidence, skeleton, comparison.threshold)
    caption = (
        "Target test photographs from the easiest bin to the hardest, chosen by bin and name, not by "
        f"result; predictions of seed {comparison.seeds[0]}, selection: last."
    )
    if comparison.has_target_labels:
        title = "Predictions beside labels"
        caption += f" PCK of a photograph: keypoints within {comparison.threshold:g} of the image side."
    else:
        title = "Predictions"
        caption += f" Without labels, bins follow the VAE score of what {params.train.methods[0]} predicts."
    figure = plot_photos(photos, skeleton, method_looks(params, comparison.labels))
    yield _drawn("predictions", title, caption, figure)


def _score_figures(data: BinnedData, params: Params) -> Iterator[ReportFigure]:
    source = data.domains["source"]
    known = {domain: binned for domain, binned in data.domains.items() if len(binned.scores)}
    poses = gallery.choose_poses(data.source_poses, source)
    yield _drawn(
        "pose_gallery",
        "Source poses by bin",
        f"Sampled at random (seed {gallery.SEED}) from {len(poses)} of {len(source.bins)} bins; one scale "
        "for all. Compare P1 figure 3a.",
        plot_gallery(poses, SKELETONS[params.data.skeleton]),
    )
    similarity = bin_similarity(data.source_poses, source, SKELETONS[params.data.skeleton])
    yield _drawn(
        "bin_similarity",
        "How alike the poses of two bins are",
        f"Mean EvalPose over pairs of {POSES_PER_BIN} poses from each source bin. Compare P1 figure 3b.",
        plot_similarity(similarity),
    )
    yield _drawn(
        "pose_variation",
        "Pose variation of the source's bins",
        "Mean angular difference of sampled pairs: quartiles, 5 to 95 %, mean. Compare P2 figure 3.",
        plot_variation(source.bins),
    )
    yield _drawn(
        "score_distribution",
        "Pose scores of the domains" if len(known) > 1 else "Pose scores of the source",
        "The same VAE, trained on source poses, scores both domains: the higher, the rarer in the source. "
        "Labelled target poses are scored for evaluation only. Compare P2 figure 3.",
        plot_scores({d: b.scores for d, b in known.items()}, {d: b.bins for d, b in known.items()}),
    )


def _schedule_figures(evidence: Evidence, params: Params) -> Iterator[ReportFigure]:
    curricula = {m: params.methods[m].curriculum for m in params.train.methods}
    scheduled = [m for m, curriculum in curricula.items() if curriculum.name != "uniform"]
    if not scheduled:
        return
    schedules = {
        m: pd.concat([run.curriculum for run in evidence.runs if run.method == m]) for m in scheduled
    }
    with_peak = [m for m in scheduled if isinstance(curricula[m], PeakCurriculum)]
    caption = (
        "Source samples drawn from each bin in each epoch, mean over seeds"
        f"{''.join(_pace(m, curricula[m]) for m in with_peak)}. Compare P2 figure 5."
    )
    yield _drawn("schedule", "What the curricula drew", caption, plot_schedules(schedules, with_peak))
    if with_peak:
        yield _drawn(
            "reranking",
            "What the model's confidence re-ranked",
            "Samples of a bin that the epoch before had in another bin, mean over seeds (P2 3.1.2).",
            plot_reranking({m: schedules[m] for m in with_peak}),
        )
        yield _drawn(
            "reranking_flow",
            "Where re-ranking took the samples",
            "From the bin that the VAE's score alone gives to the bin after the last epoch, all seeds "
            "together; without re-ranking all would lie on the diagonal (P2 3.1.2).",
            plot_flow({m: pd.concat([r.flow for r in evidence.runs if r.method == m]) for m in with_peak}),
        )


def _pace(method: str, curriculum: Curriculum) -> str:
    assert isinstance(curriculum, PeakCurriculum)
    return f"; {method}: num_bins {curriculum.num_bins}, pace {curriculum.pace:g}, sigma {curriculum.sigma:g}"


def _learning_figure(evidence: Evidence, comparison: Comparison, params: Params) -> Iterator[ReportFigure]:
    logged = {metric for run in evidence.runs for metric in run.history["metric"]}
    histories = {
        title: history_curves(evidence.runs, metric)
        for metric, title in LEARNING_CURVES.items()
        if metric in logged
    }
    if not histories:
        return
    caption = (
        f"As logged in training, before weighting, {seeds_phrase(comparison)}. Mean-teacher methods adapt "
        f"after {params.schedule.pretrain_epochs} epochs on the source alone. Training measures no target "
        "accuracy."
    )
    if comparison.upper_bounds:
        caption += " The labelled images of an upper bound are the target's."
    figure = plot_histories(histories, method_looks(params, comparison.labels))
    yield _drawn("learning_curves", "Learning curves", caption, figure)
