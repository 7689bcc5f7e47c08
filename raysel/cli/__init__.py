"""The command line: one module a verb, one verb a question.

Verbs import what they work with when they are called, so that `raysel --help` answers at once.
"""

from raysel.cli.history import history
from raysel.cli.plan import plan
from raysel.cli.quickstart import quickstart
from raysel.cli.recall import recall
from raysel.cli.record import record
from raysel.cli.replay import replay
from raysel.cli.root import main
from raysel.cli.select import select

history.add_command(plan)
history.add_command(record)
main.add_command(history)
main.add_command(quickstart)
main.add_command(recall)
main.add_command(replay)
main.add_command(select)

__all__ = ["main"]
