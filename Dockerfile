# The HTTP server in a container:
#   docker build -t mfn-api .
#   docker run -p 8000:8000 -e MFN_API_KEY=... -v mfn-state:/state mfn-api
FROM python:3.12-slim AS build
WORKDIR /source
# The pinned dependencies first: a change of the code does not install them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY mfnjax/_version.py mfnjax/_version.py
COPY serve/__init__.py serve/__init__.py
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[serve,network,fit]"
COPY mfnjax mfnjax
COPY serve serve
RUN /venv/bin/pip install --no-cache-dir --no-deps --force-reinstall .

FROM python:3.12-slim
RUN useradd --system --no-create-home --uid 10001 mfn \
    && install -d -o mfn -g mfn /state /cache
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MFN_ENV=prod \
    MFN_STATE_DIR=/state \
    MFNJAX_CACHE=/cache
USER mfn
VOLUME ["/state", "/cache"]
EXPOSE 8000
# Liveness only: /ready says when the compiled functions are warm, for whoever routes traffic.
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["mfn-api", "--host", "0.0.0.0", "--port", "8000"]
