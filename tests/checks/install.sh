#!/usr/bin/env bash
# Installs into a folder of its own and builds examples/embed.c against what was installed.  install.sh BUILD_FOLDER
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cmake --install "$build" --prefix "$place" >/dev/null
export PKG_CONFIG_PATH=$place/lib/pkgconfig:$place/lib/x86_64-linux-gnu/pkgconfig
flags=$(cd "$place" && pkg-config --cflags --libs happn)
cc -std=c11 -Wall -Wextra -Wno-unused-parameter -Werror "$root/examples/embed.c" $flags -Wl,-rpath,"$place/lib" -o "$place/embed"
lines=$(wc -l <"$root/examples/embed.c")
[ "$lines" -lt 80 ] || { echo "embed.c has $lines lines, not under 80" >&2; exit 1; }
out=$("$place/embed")
echo "$out"
grep -q 'event: {"text":"hello"}' <<<"$out"
grep -q 'refused: bad documents are not welcome' <<<"$out"
"$place/bin/happn" --version
cat >"$place/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(happn 0.1 REQUIRED)
add_executable(embed $root/examples/embed.c)
target_link_libraries(embed happn::happn)
END
cmake -S "$place" -B "$place/out" -DCMAKE_PREFIX_PATH="$place" >/dev/null
cmake --build "$place/out" >/dev/null
"$place/out/embed" | grep -q event
echo "embed.c ($lines lines) works against the installed library"
