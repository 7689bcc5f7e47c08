"""`python -m raysel`: the command line, for places where only the module can be run (`ray job submit`)."""

from raysel.cli import main

if __name__ == "__main__":
    main(prog_name="raysel")
