"""The contenders' names, as one types them and as one shows them."""

from __future__ import annotations

TORIL = "toril"
#: Whom ratios are to.
REFERENCE = "bullmq"
PYTHON_PEERS = (
    "bullmq-python",
    "celery",
    "rq",
    "arq",
    "saq",
    "streaq",
    "taskiq",
    "dramatiq",
    "huey",
)
PEERS = (REFERENCE, *PYTHON_PEERS)
NAMES = (TORIL, *PEERS)
TITLES = {
    "toril": "Toril",
    "bullmq": "BullMQ for Node",
    "bullmq-python": "BullMQ for Python",
    "celery": "Celery",
    "rq": "RQ",
    "saq": "SAQ",
    "streaq": "streaQ",
}


def make_title(row: str) -> str:
    """Gives the title of a row, which may be a contender and a way of its own."""
    name, comma, way = row.partition(",")
    return TITLES.get(name, name) + comma + way
