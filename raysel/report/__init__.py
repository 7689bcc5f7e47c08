"""How answers are shown: tables for people, plain data for machines."""

from raysel.report.card import model_card
from raysel.report.plain import plain_history, plain_plan, plain_selection, plain_shortlist
from raysel.report.sparkline import sparkline
from raysel.report.tables import history_table, plan_table, recall_table, runs_table, spending_table, trials_table
from raysel.report.units import duration, size

__all__ = [
    "duration",
    "history_table",
    "model_card",
    "plain_history",
    "plain_plan",
    "plain_selection",
    "plain_shortlist",
    "plan_table",
    "recall_table",
    "runs_table",
    "size",
    "sparkline",
    "spending_table",
    "trials_table",
]
