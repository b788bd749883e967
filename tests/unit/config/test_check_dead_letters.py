from __future__ import annotations

TOP = """
version: 1
defaults: {queue: {dead_letter: {queue: dead, job: keep, when: "${{ data.n > 1 }}"}}}
"""
QUEUES = """
queues:
  dead:
  orders:
  mails: {dead_letter: false}
  news: {dead_letter: lost}
  lost: {dead_letter: false}
"""
JOBS = """
jobs:
  keep: {queue: dead, use: shop.greet}
  sync: {queue: orders, use: shop.greet}
  mail: {queue: mails, use: shop.greet, dead_letter: lost}
  tell: {queue: news, use: shop.greet, dead_letter: false}
"""


def test_a_queue_has_its_own_the_default_or_none(load):
    pipeline = load(JOBS, top=TOP, queues=QUEUES).require_pipeline()

    rules = {
        name: rule and (rule.queue, rule.job, rule.when)
        for name, queue in pipeline.queues.items()
        for rule in [queue.dead_letter]
    }
    assert rules == {
        "dead": None,
        "orders": ("dead", "keep", "${{ data.n > 1 }}"),
        "mails": None,
        "news": ("lost", "dead-letter", None),
        "lost": None,
    }


def test_a_job_has_its_own_its_queues_or_none(load):
    pipeline = load(JOBS, top=TOP, queues=QUEUES).require_pipeline()

    rules = {name: job.dead_letter for name, job in pipeline.jobs.items()}
    assert {name: rule and rule.queue for name, rule in rules.items()} == {
        "keep": None,
        "sync": "dead",
        "mail": "lost",
        "tell": None,
    }


def test_a_default_that_leads_back_is_found_and_may_be_left_out(load):
    queues = "queues: {{dead: {{dead_letter: lost}}, lost: {{{}}}}}"
    top = "{version: 1, defaults: {queue: {dead_letter: dead}}}"

    assert [code for _, _, code, _ in load.told(top=top, queues=queues.format(""))] == ["T221"]
    assert load.told(top=top, queues=queues.format("dead_letter: false")) == []
