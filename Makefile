# What people who work on sk-mnist do. `make` lists it.
.PHONY: help install test test-all explore lint docs build

help:  ## list what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install:  ## install the package from this directory, with everything to work on it
	python -m pip install --editable '.[dev]'

test:  ## run the tests, which takes four to five minutes
	python -m pytest -n 2

test-all:  ## run the slow tests too
	python -m pytest -n 2 -m "not weekly"

explore:  ## try other examples in the property tests, five times as many
	python -m pytest -n 2 -m hypothesis --dist=load --hypothesis-profile=explore

lint:  ## check style, spelling and types
	ruff check .
	ruff format --check .
	codespell
	mypy
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/p*.yml

docs:  ## build the pages, warnings are errors
	python -m sphinx -W --keep-going -b html docs docs/_build

build:  ## make the source distribution and the wheel
	python -m build
