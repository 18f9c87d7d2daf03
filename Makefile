# make book   the site, its chapters executed       make test   everything that proves it
# make serve  the site at an address to open        make clean  start over
# make assignments  for students, graders and instructors
# make grade SUBMISSIONS=folder [OUT=…] [QUESTION=q3] [ROSTER=…] [ASSIGNMENT=…] [WORKERS=…]
# make colab  the notebooks where only Colab's packages are: half an hour
# make bench  how fast the library is, beside PyTorch and JAX: half an hour
PYTHON ?= python3
PIP_ARGS ?=
PORT ?= 8000
REPEAT ?=

SHELL := /bin/sh
VENV := .venv/bin
SITE := _build/html
# The chapters' cells, as notebooks, which ruff can read.
CELLS = $$(find build/executed -name '*.ipynb')

.DEFAULT_GOAL := book
.PHONY: book notebooks assignments grade colab test serve format cover bench lock clean

book: .venv/ready
	@$(VENV)/python assignments/build.py --open
	@$(VENV)/python book/_ext/execute.py
	@rm -rf _build/html  # every page anew: numbers and titles of one stand on the others
	@$(VENV)/jupyter-book build book --all --config _config.yml --toc "$(CURDIR)/_toc.yml" \
		--path-output . -n -W --keep-going -q
	@echo "The book: file://$(CURDIR)/$(SITE)/index.html (or 'make serve')"

# The notebooks that Colab opens are written with the site.
notebooks: book
	@echo "The notebooks: build/notebooks/"

assignments: .venv/ready
	@$(VENV)/python assignments/build.py

# The containers that Docker runs, where it is there, are built on the first call.
grade: .venv/ready
	@$(VENV)/python assignments/grade.py $(if $(SUBMISSIONS),"$(SUBMISSIONS)") \
		$(if $(OUT),--out "$(OUT)") $(if $(ASSIGNMENT),--assignment "$(ASSIGNMENT)") \
		$(if $(QUESTION),--question $(QUESTION)) $(if $(ROSTER),--roster "$(ROSTER)") \
		$(if $(WORKERS),--workers $(WORKERS)) $(if $(CONTAINERS),--containers $(CONTAINERS))

test: book assignments
	@$(VENV)/ruff check . && $(VENV)/ruff check --line-length 80 $(CELLS)
	@$(VENV)/ruff format --check . && $(VENV)/ruff format --check --line-length 80 $(CELLS)
	@$(VENV)/mypy
	@$(VENV)/python book/_ext/execute.py --again $(REPEAT)
	@OMP_NUM_THREADS=1 $(VENV)/python -m pytest -n 2 --dist loadfile

colab: book
	@$(VENV)/python -m tests.colab

serve: book
	@echo "The book: http://localhost:$(PORT)/"
	@$(VENV)/python -m http.server --directory $(SITE) --bind 127.0.0.1 $(PORT)

format: .venv/ready
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .
	@$(VENV)/python book/_ext/format.py

# The README's picture, from the landing page's figure.
cover: book
	@$(VENV)/python -c "import base64, json; \
		cells = json.load(open('build/executed/index.ipynb'))['cells']; \
		outputs = [o for c in cells for o in c.get('outputs', []) if 'image/png' in o.get('data', {})]; \
		open('book/_static/cover.png', 'wb').write(base64.b64decode(outputs[0]['data']['image/png']))"

# JAX is here to be compared with; nothing else needs it, and the lock file leaves it out.
bench: .venv/ready
	@$(VENV)/pip install --quiet $(PIP_ARGS) --constraint requirements.lock \
		--no-build-isolation --editable '.[bench]'
	@$(VENV)/python -m benchmarks

lock: .venv/ready
	@$(VENV)/pip install --quiet $(PIP_ARGS) uv
	@mkdir -p build
	@echo "torch==2.13.0" > build/constraints.txt
	@$(VENV)/uv pip compile pyproject.toml --quiet --extra assignments --extra book --extra cluster --extra test --universal \
		--python-version 3.11 --no-annotate --no-header --no-emit-index-url \
		--constraints build/constraints.txt --output-file build/requirements.lock
	@# CUDA's packages come with the torch build that wants them, and with no other.
	@grep -vE '^(nvidia|cuda|triton)' build/requirements.lock > requirements.lock

.venv/ready: requirements.lock pyproject.toml book/_ext/environment.py
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not there: install Python 3.11 to 3.13."; exit 1; }
	@$(PYTHON) book/_ext/environment.py $(PIP_ARGS)

clean:
	rm -rf .venv build _build
