#!/bin/sh
# All tests of the plugin: run.sh BUILD [quick]. Called by plugin.mk.
set -eu
build=$1
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for unit in "$here"/*-test.c; do
  "$build/ost-test/$(basename "$unit" .c)"
done

# The vectors and the document say what the code says.
"$build/ost-test/wire-vectors" json > "$work/vectors.json"
cmp "$work/vectors.json" addon/wire/vectors.json
"$build/ost-test/wire-vectors" tables > "$work/tables"
sed -n '/^<!-- tables: written/,/^<!-- tables: end/p' docs/engine-protocol.md | sed '1d;$d' | cmp - "$work/tables"
python3 "$here/protocol.py" docs/engine-protocol.md addon/wire/vectors.json

# The corpus: every vector as a file, and what fuzzing found worth keeping.
python3 - addon/wire/vectors.json "$work" <<'EOF'
import json, sys
vectors = json.load(open(sys.argv[1]))
for i, vector in enumerate(vectors['valid'] + vectors['invalid']):
    open('%s/corpus-%03d' % (sys.argv[2], i), 'wb').write(bytes.fromhex(vector['hex']))
EOF
"$build/ost-test/wire-fuzz" "$work"/corpus-* "$here"/corpus/wire/*
"$build/ost-test/session-fuzz" "$here"/corpus/session/*

# Exactly the promised symbols, and each library as a program.
grep -o 'int stsp_[a-z_]*(' addon/include/stspi.h | sed 's/int //; s/(//' | sort > "$work/promised"
for library in "$build/libstspiVastData.so" "$build/libstspiVastDataMT.so"; do
  nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v '^__[ut]' | sort > "$work/symbols"
  cmp "$work/symbols" "$work/promised"
  case $build in
    build) "$library" -version | grep -q '^vast-ost OpenStorage plugin' ;;
  esac
done
echo "ok - symbols and version"

python3 "$here/integration.py" "$build"
