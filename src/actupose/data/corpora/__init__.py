"""Corpora: where their files lie and how their labels become the skeleton's, by name."""

from collections.abc import Iterator

from actupose.data.corpora.coco import index_coco
from actupose.data.corpora.figures import index_figures
from actupose.data.corpora.folder import index_folder
from actupose.data.corpora.freihand import index_freihand
from actupose.data.corpora.h3d import index_h3d
from actupose.data.corpora.human36m import index_human36m
from actupose.data.corpora.lsp import index_lsp
from actupose.data.corpora.records import Record, Rejection
from actupose.data.corpora.rhd import index_rhd
from actupose.data.corpora.surreal import index_surreal
from actupose.data.corpora.surreal_raw import index_surreal_raw
from actupose.params import (
    CocoData,
    Corpus,
    FiguresData,
    FolderData,
    FreihandData,
    H3dData,
    Human36mData,
    LspData,
    RhdData,
    SurrealData,
    SurrealRawData,
)
from actupose.skeleton import Skeleton


def index_corpus(settings: Corpus, skeleton: Skeleton, side: int) -> Iterator[Record | Rejection]:
    """Records of a corpus, one a picture, in a fixed order; bad entries come as rejections.

    Raises:
        UserError: the folder's layout or a label file is not the corpus'. Raised on iteration.
    """
    match settings:
        case FiguresData():
            return index_figures(settings, skeleton, side)
        case SurrealData():
            return index_surreal(settings, skeleton)
        case SurrealRawData():
            return index_surreal_raw(settings, skeleton)
        case LspData():
            return index_lsp(settings, skeleton)
        case Human36mData():
            return index_human36m(settings, skeleton)
        case RhdData() | FreihandData() | H3dData():
            return _index_hands(settings)
        case CocoData():
            return index_coco(settings, skeleton)
        case FolderData():
            return index_folder(settings)


def _index_hands(settings: RhdData | FreihandData | H3dData) -> Iterator[Record | Rejection]:
    match settings:
        case RhdData():
            return index_rhd(settings)
        case FreihandData():
            return index_freihand(settings)
        case H3dData():
            return index_h3d(settings)
