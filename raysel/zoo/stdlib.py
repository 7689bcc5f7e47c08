"""The text of the running interpreter's standard library, in pieces: what the text zoo learns from and is tried on.

Python versions differ in it by a few per cent: of the pieces of 3.11, 3.12 has 98 per cent and 3.13 has 95. So that
their datasets differ no more than that, chance plays no part in what becomes of a piece: whether it is for sources or
for benchmarks, for training or for testing, and what is done to it, follows from the piece itself by its digest.
Packages that not every supported version has are left out.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import Generator

from raysel.errors import OptionError

SHORTEST, LONGEST = 20, 48  # characters of a piece
PACKAGES: tuple[str, ...] = tuple(
    """
    argparse ast asyncio bdb calendar codecs collections concurrent configparser contextlib csv dataclasses difflib
    dis doctest email enum fractions ftplib functools gettext gzip heapq html http imaplib importlib inspect
    ipaddress json locale logging mailbox mimetypes multiprocessing optparse os pathlib pdb pickle pickletools
    platform plistlib pprint pstats pydoc random sched selectors shelve shlex shutil smtplib socket socketserver
    sqlite3 ssl statistics string subprocess tarfile tempfile textwrap threading trace traceback types typing
    unittest urllib uuid venv warnings wave weakref webbrowser wsgiref xml xmlrpc zipfile zoneinfo
    """.split()  # noqa: SIM905  (a name a line would be a page)
)

_PROSE = re.compile(r"[A-Za-z0-9 ,.;:()'\"/-]+")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Piece:
    """A line of the standard library.

    Args:
        text: What it says.
        package: Whose it is.
        statement: The statement that begins there, if it is code.
    """

    text: str
    package: str
    statement: ast.stmt | None = field(default=None, repr=False)

    def digest(self, *parts: str) -> bytes:
        """32 bytes that follow from the text and the parts."""
        return hashlib.sha256("\0".join((self.text, *parts)).encode()).digest()

    def generator(self, *parts: str) -> Generator:
        """A random generator of the piece's own."""
        return np.random.default_rng(int.from_bytes(self.digest(*parts)[:8], "big"))


@dataclass(frozen=True)
class Library:
    """The pieces, each text once: `prose` of docstrings and comments, and the first lines of statements, `code`."""

    prose: tuple[Piece, ...]
    code: tuple[Piece, ...]


@lru_cache(maxsize=1)
def library() -> Library:
    """The running interpreter's standard library.

    Raises:
        OptionError: If it lies there without its source.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    prose: dict[str, Piece] = {}
    code: dict[str, Piece] = {}
    for package in PACKAGES:
        for source in _sources(root, package):
            lines = source.splitlines()
            tree = ast.parse(source)
            for text in _prose(tree, lines):
                prose.setdefault(text, Piece(text, package))
            for statement in _statements(tree):
                text = lines[statement.lineno - 1].strip()
                if SHORTEST <= len(text) <= LONGEST and text[0] not in "\"'@#" and text.isascii():
                    code.setdefault(text, Piece(text, package, statement))
    if not code:
        raise OptionError("standard library", str(root), "a folder with its source, from which the text zoo is made")
    return Library(tuple(prose.values()), tuple(code.values()))


def _sources(root: Path, package: str) -> Iterator[str]:
    module = root / f"{package}.py"
    for file in [module] if module.is_file() else sorted((root / package).rglob("*.py")):
        if not {"test", "tests"} & set(file.relative_to(root).parts):
            yield file.read_text(encoding="utf-8")


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every statement, without walking the expressions in them."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for node in getattr(tree, block, ()):
            if isinstance(node, ast.stmt):
                yield node
            yield from _statements(node)


def _prose(tree: ast.Module, lines: list[str]) -> Iterator[str]:
    documented = [tree, *(node for node in _statements(tree) if isinstance(node, _DOCUMENTED))]
    documents = (ast.get_docstring(node) or "" for node in documented)
    paragraphs = [paragraph for text in documents for paragraph in re.split(r"\n\s*\n", text)]
    comments = (line.strip()[2:] for line in lines if line.strip().startswith("# "))
    for text in (*(part for paragraph in paragraphs for part in _wrapped(paragraph)), *comments):
        if SHORTEST <= len(text) <= LONGEST and text.count(" ") >= 3 and _PROSE.fullmatch(text):
            yield text


def _wrapped(paragraph: str) -> Iterator[str]:
    """Parts of a paragraph that are as long as a piece may be, cut between words."""
    part = ""
    for word in paragraph.split():
        if part and len(part) + 1 + len(word) > LONGEST:
            yield part
            part = word
        else:
            part = f"{part} {word}".strip()
    yield part
