# Sourced: `retry COMMAND ...` runs it up to four times, with 5, 10 and 15 s between: networks blip.
retry() {
  local try
  for try in 1 2 3; do
    "$@" && return
    echo "that failed; trying again in $((try * 5)) s: $*" >&2
    sleep $((try * 5))
  done
  "$@"
}
