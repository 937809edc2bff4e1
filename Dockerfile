# syntax=docker/dockerfile:1
# One image a service: docker build --build-arg SERVICE=orders -t holdfast/orders .
# SERVICE is orders, escrow, deposits, disputes, identity, simulators.payments, simulators.carrier or simulators.issuer.
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS dependencies
COPY requirements/runtime.txt /build/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-compile --require-hashes --only-binary=:all: -r /build/runtime.txt \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode=unchecked-hash /opt/venv/lib

FROM ${PYTHON} AS service
ARG SERVICE
COPY deploy/image/gather.py deploy/image/ready.py /build/
COPY libs /source/libs
COPY services /source/services
COPY simulators /source/simulators
RUN : "${SERVICE:?say which: --build-arg SERVICE=orders}" \
 && python /build/gather.py "$SERVICE" /source /app && cp /build/ready.py /app/ \
 && python -m compileall -q --invalidation-mode=unchecked-hash /app

FROM ${PYTHON}
ARG SERVICE
# Nothing that installs or builds stays: what runs here is what was put here.
RUN python -m pip uninstall -qy --root-user-action=ignore pip \
 && find / -xdev \( -name 'pip-*.whl' -o -name ensurepip -o -name pip -o -name 'pip3*' \) -prune -exec rm -rf {} + \
 && groupadd -g 10001 holdfast && useradd -u 10001 -g 10001 -M -d /app -s /usr/sbin/nologin holdfast
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=service /app /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SERVICE=${SERVICE} HOLDFAST_HOST=0.0.0.0 HOLDFAST_PORT=8200
WORKDIR /app
USER 10001:10001
EXPOSE 8200
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-I", "-S", "/app/ready.py"]
# The shell only puts the name in; the service takes its place, and its signals.
CMD ["/bin/sh", "-c", "exec python -m \"$SERVICE\""]
