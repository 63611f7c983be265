#!/usr/bin/env bash
# Every public header compiles alone, as C11 and as C++17.
set -euo pipefail
cd "$(dirname "$0")/../../include"
for header in happn/*.h; do
    echo "#include <$header>" | ${CC:-cc} -std=c11 -Wall -Wextra -Werror -pedantic -I. -fsyntax-only -x c -
    echo "#include <$header>" | ${CXX:-c++} -std=c++17 -Wall -Wextra -Werror -pedantic -I. -fsyntax-only -x c++ -
done
echo "all headers compile alone"
