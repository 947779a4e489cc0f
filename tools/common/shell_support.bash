# Sourced by the commands in tools/: messages, the repository's root, and one way to configure and build a preset.
# shellcheck shell=bash

set -euo pipefail

BSG_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
BSG_STARTED=$SECONDS

# say TEXT: a step, with the time since the command began.
say() { printf '==> [%d:%02d] %s\n' $(((SECONDS - BSG_STARTED) / 60)) $(((SECONDS - BSG_STARTED) % 60)) "$*"; }

# fail STATUS TEXT: one line on standard error, then the end.
fail() {
  local status=$1
  shift
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit "$status"
}

# configure_and_build PRESET: through ccache where that is installed. An interrupted call continues where it stopped.
configure_and_build() {
  local preset=$1 launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  (
    cd "$BSG_ROOT"
    cmake --preset "$preset" "${launcher[@]}" --log-level=WARNING
    cmake --build --preset "$preset" --parallel "$(nproc)"
  )
}
