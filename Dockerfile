# One file, two images: `--target worker` (also the storage server and the set-up job) and `--target function`.
# Packages come from the hashed files in requirements/; the final images hold no pip cache, compiler or build backend.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv --without-pip /opt/worker && python -m venv --without-pip /opt/function
# Before the code: these layers stay cached until a pinned version changes.
COPY requirements/ requirements/
# worker-signing where REVIEWMILL_MODEL_PUBLIC_KEY will be set: docs/security.md.
ARG WORKER_PACKAGES=worker
RUN pip --python /opt/worker install --require-hashes --only-binary :all: -r requirements/${WORKER_PACKAGES}.txt \
 && pip --python /opt/function install --require-hashes --only-binary :all: -r requirements/function.txt
# The build backend, at its pinned and hashed version, stays in this stage.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt > backend.txt \
 && pip install --require-hashes --only-binary :all: -r backend.txt
COPY pyproject.toml README.md LICENSE main.py reviewmill.py ./
COPY schemas/ schemas/
COPY cloud/ cloud/
COPY worker/ worker/
COPY publisher/ publisher/
COPY training/ training/
COPY emulator/ emulator/
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
 && pip --python /opt/worker install --no-deps --no-index /wheels/*.whl \
 && pip --python /opt/function install --no-deps --no-index /wheels/*.whl

FROM python:3.12-slim AS runtime
# No privileges at run time; /data is for the storage server's volume, /cache for what is computed once.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin reviewmill \
 && install --directory --owner reviewmill --group reviewmill /app /data /cache
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/cache
WORKDIR /app
USER 10001

FROM runtime AS function
ENV PATH=/opt/function/bin:$PATH
COPY --from=build /opt/function /opt/function
# Compiles the scoring kernel into /cache, so that no instance has to.
RUN ["python", "-m", "worker.kernel_cache"]
COPY main.py /app/main.py
EXPOSE 8080
CMD ["functions-framework", "--source", "/app/main.py", "--target", "classify", "--host", "0.0.0.0", "--port", "8080"]

# Last, so that it is what a build without --target makes.
FROM runtime AS worker
ENV PATH=/opt/worker/bin:$PATH
COPY --from=build /opt/worker /opt/worker
RUN ["python", "-m", "worker.kernel_cache"]
ENTRYPOINT ["reviewmill"]
CMD ["worker"]
