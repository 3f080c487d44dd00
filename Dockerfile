# Built with what requirements-build.lock names, run with what requirements-runtime.lock names, both by hash.
# Base images are pinned by exact version; add @sha256:… where your policy asks for a digest.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m pip install --require-hashes --only-binary :all: --requirement requirements-build.lock \
 && python -m venv --without-pip /opt/caremonth \
 && python -m pip --python /opt/caremonth/bin/python install --require-hashes --only-binary :all: --requirement requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY ledger ledger
COPY streams streams
COPY projections projections
COPY caremonth caremonth
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && python -m pip --python /opt/caremonth/bin/python install --no-deps --no-index dist/*.whl \
 && /opt/caremonth/bin/python -m compileall -q /opt/caremonth/lib

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/caremonth/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TMPDIR=/var/tmp
# The web starts with nobody known to it; `caremonth tokens new` adds who may do what.
RUN groupadd --gid 10001 caremonth \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/caremonth --shell /usr/sbin/nologin caremonth \
 && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/caremonth \
 && printf '{"tokens": []}\n' > /var/lib/caremonth/tokens.json \
 && chown 10001:10001 /var/lib/caremonth/tokens.json \
 && chmod 0600 /var/lib/caremonth/tokens.json
COPY --from=build /opt/caremonth /opt/caremonth
USER 10001:10001
WORKDIR /var/lib/caremonth
STOPSIGNAL SIGTERM
ENTRYPOINT ["caremonth"]
CMD ["--help"]
