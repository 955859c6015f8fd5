# What the legs share. Sourced by scripts that run in the project's folder with REAL_WORK (a folder of this run) in the environment.
# shellcheck shell=bash

# One line about this run for people; test output is indented by nothing, so lines of ours stand out.
say() { printf '== %s\n' "$*"; }

# Something that could not be tested, and why: repeated at the end of the whole run.
left_out() {
  say "left out: $*"
  printf '%s\n' "$*" >>"$REAL_WORK/left-out"
}

# wait_for SECONDS WHAT COMMAND...: poll until the command succeeds; say what was awaited when it never does.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "$what: not ready in time"
      return 1
    fi
    sleep 0.1
  done
}

listening() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# start NAME COMMAND...: a daemon of its own session, its process id in run/NAME.pid, what it says in log/NAME.
start() {
  local name=$1
  shift
  mkdir -p "$REAL_WORK/run" "$REAL_WORK/log"
  setsid "$@" </dev/null >>"$REAL_WORK/log/$name" 2>&1 &
  echo $! >"$REAL_WORK/run/$name.pid"
}

# A process that ended but was not waited for is not running.
running() {
  [ -s "$REAL_WORK/run/$1.pid" ] && grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$(cat "$REAL_WORK/run/$1.pid")/status" 2>/dev/null
}

# suite LABEL FILE...: run test files, and note what they counted for the sum at the end.
suite() {
  local label=$1 began=$SECONDS output="$REAL_WORK/suite.out" counts
  shift
  say "$label"
  RESULTS="$REAL_WORK/suite.tap" ./test/run 1 "$@" 2>&1 | tee "$output"
  counts=$(tail -n 1 "$output" | grep -oE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' || echo '0 passed, 1 failed, 0 skipped')
  printf '%s in %s s: %s\n' "$counts" $((SECONDS - began)) "$label" >>"$REAL_WORK/results"
  sed -n "s/^failed: /failed: $label: /p" "$output" >>"$REAL_WORK/failures"
}
