#!/usr/bin/env python3
"""Validates JSON or JSON lines against a draft-07 schema.

usage: check_schema.py SCHEMA FILE...

Prints one line per violation, "FILE[:LINE]: PATH: what is wrong", and ends with 0 when there is none, 1 when there
are some, 2 when it cannot check, 77 when the Python module jsonschema is absent.
"""
import json
import sys

try:
    from jsonschema import Draft7Validator
except ImportError:
    print("the Python module jsonschema is absent (Debian package python3-jsonschema)", file=sys.stderr)
    sys.exit(77)


def refuse_constant(name):
    raise ValueError(name + " is no JSON")


def documents(path):
    with open(path, encoding="utf-8") as file:
        if not path.endswith(".jsonl"):
            yield path, json.load(file, parse_constant=refuse_constant)
            return
        for number, line in enumerate(file, 1):
            yield "%s:%d" % (path, number), json.loads(line, parse_constant=refuse_constant)


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[0], encoding="utf-8") as file:
        schema = json.load(file)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    violations = 0
    for path in arguments[1:]:
        for where, document in documents(path):
            for error in validator.iter_errors(document):
                violations += 1
                print("%s: /%s: %s" % (where, "/".join(map(str, error.absolute_path)), error.message[:300]))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
