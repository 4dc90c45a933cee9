# shellcheck shell=bash
# Sourced by the tests of the web page and the API: a simulated home with the real daemon.
#
# home_start FOLDER PORT   simulated meters, a week of made-up history, the daemon
# home_stop                ends them

home_bin="${WATTLE_BIN_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/debug}"
home_pids=()

home_stop() {
    local i
    for ((i = ${#home_pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${home_pids[i]}" 2>/dev/null || true
        wait "${home_pids[i]}" 2>/dev/null || true
    done
    home_pids=()
}

home_await() {
    local tenths=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || { echo "not in time: $*" >&2; return 1; }
        sleep 0.1
    done
}

home_daemon() {
    "$home_bin/wattle" run --config "$1/wattle.toml" </dev/null >>"$1/wattle.log" 2>&1 &
    home_pids+=($!)
    home_await 20 test -S "$1/api.sock"
    home_await 20 curl -sk "https://127.0.0.1:$2/login"
}

home_start() {
    local folder="$1" port="$2" air="${3:-}"
    mkdir -p "$folder/data"
    cat >"$folder/wattle.toml" <<END
[gateway]
time_zone = "Europe/Berlin"
state_dir = "$folder/data"
[api]
socket = "$folder/api.sock"
[http]
listen = "127.0.0.1:$port"
[[meter]]
name = "electricity"
protocol = "sml"
port = "$folder/ports/electricity"
[tariff]
file = "tariff.toml"
END
    if [ -n "$air" ]; then
        printf '[[receiver]]\nname = "stick"\nport = "tcp:127.0.0.1:%s"\nkind = "hex"\n' "$air" >>"$folder/wattle.toml"
    fi
    cp tests/sim/household/tariff.toml "$folder/tariff.toml"
    "$home_bin/wattle-sim" household --dir "$folder/ports" </dev/null >"$folder/meters.log" 2>&1 &
    home_pids+=($!)
    home_await 20 grep -q '"ready":true' "$folder/meters.log"
    home_daemon "$folder" "$port"
    # The history goes under the registers of the meter that was heard, while nobody writes.
    home_await 30 python3 tests/web/history.py "$folder/data/wattle.db" --heard
    kill -TERM "${home_pids[-1]}"
    wait "${home_pids[-1]}" || true
    unset 'home_pids[-1]'
    python3 tests/web/history.py "$folder/data/wattle.db"
    home_daemon "$folder" "$port"
}
