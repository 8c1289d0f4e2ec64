# Sourced. `retry COMMAND ...` runs it up to four times, with 5, 10 and 15 s between: networks blip.
# Its output is shown only when it fails.
retry() {
  local log try
  log=$(mktemp)
  for try in 1 2 3 4; do
    if "$@" </dev/null >"$log" 2>&1; then
      rm -f "$log"
      return
    fi
    tail -n 15 "$log" >&2
    echo "failed ($try of 4): $*" >&2
    [ "$try" = 4 ] || sleep $((try * 5))
  done
  rm -f "$log"
  return 1
}

# Installs Debian packages, without a question.
apt_install() {
  echo "installing $*" >&2
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get -q update || echo "going on with the package lists that are here" >&2
  retry apt-get -q install -y --no-install-recommends "$@"
}
