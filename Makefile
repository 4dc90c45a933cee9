# wattle: make run, make test; make help tells the rest. Every target installs what it needs and
# says what it installs. The packages of Debian stand in image/packages.txt.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(HOME)/.cargo/bin:$(PATH)

# A build folder that a fresh clone finds again, for machines that test one clone after another.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wattle/target
endif

# Versions of the tools that are installed with cargo.
export CARGO_DEB_VERSION := 3.8.0
export CARGO_DENY_VERSION := 0.20.2
export CARGO_FUZZ_VERSION := 0.13.2

.PHONY: help run test deb test-deb test-home-assistant test-powerline test-c12 test-web test-api test-openadr bench signatures fuzz check format clean test-kills test-dribble screenshots test-upstream test-upstream-kills test-upstream-drain test-upstream-chaos test-dlms-server demo-upstream
.DEFAULT_GOAL := help

help: ## this text
	@echo "wattle, the home energy gateway"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Options: make run PV=1 SEED=7 (another home), make test STEPS='clippy e2e' (some of it)."

run: ## build and start a demonstration home: simulated meters, the daemon, the display
	@image/install-packages build run
	@# At a terminal in a process group of its own, so that Ctrl-C ends the home and not make.
	@home=(tests/sim/household/start $(if $(PV),--pv) $(if $(SEED),--seed $(SEED))); \
	if [ -t 0 ]; then set -m; "$${home[@]}" || exit $$?; else exec "$${home[@]}"; fi

test: ## everything that must pass before anything lands
	@image/install-packages build test
	@tests/run $(STEPS)

check: ## the quick part of it: format, lints and tests of all but the display
	@image/install-packages build test
	@tests/run format clippy tests

format: ## format the code
	cargo fmt --all

screenshots: ## every screen in every size, theme and language into target/screenshots, with a page
	@image/install-packages build
	cargo run --locked -p ui --example gallery -- $(or $(CARGO_TARGET_DIR),target)/screenshots

deb: ## the packages wattle and wattle-display, into target/debian
	@image/install-packages build test
	@image/make-deb

test-deb: deb ## install the packages into a clean Debian folder, try them, remove them
	@image/test-deb

test-home-assistant: ## a real Home Assistant finds the meters (installs 600 MB)
	@image/install-packages build test home-assistant
	@tests/home-assistant/run

test-powerline: ## 20 matches of cars and charging stations with open-plc-utils (as root)
	@image/install-packages build test
	cargo build --locked -p gateway -p wattle-sim --bins
	WATTLE_MATCHES=20 cargo test --locked -p e2e --test powerline -- --nocapture

.PHONY: test-mdns
test-mdns: ## a real avahi finds the gateway and is found (as root, in a network of its own)
	@image/install-packages build test mdns
	cargo build --locked -p gateway --bin wattle
	@tests/mdns/run target/debug

.PHONY: test-journeys
test-journeys: ## a household at the real display: Xvfb, xdotool, tesseract, the demonstration home behind it
	@image/install-packages build run test journeys
	cargo build --locked -p gateway -p wattle-sim -p ui --bins
	cargo test --locked -p e2e --test journeys -- --ignored --nocapture

test-web: ## the web page in Chromium at two widths, with axe-core (pictures: target/web-pictures)
	@image/install-packages build test web
	cargo build --locked -p gateway -p wattle-sim --bins
	@tests/web/run

test-api: ## Schemathesis against the daemon's own OpenAPI document (EXAMPLES, default 25)
	@image/install-packages build test web
	cargo build --locked -p gateway -p wattle-sim --bins
	@tests/web/api

test-c12: ## termineter reads the simulated ANSI meter, tshark decrypts what the C12.22 server answers
	@image/install-packages build test c12
	@tests/c12/run

demo-upstream: ## the relay: a broker, PostgreSQL, two head-end workers, three gateways, until Ctrl-C
	@image/install-packages build test
	cargo build --locked -p gateway -p wattle-headend --bins
	cargo build --locked -p e2e --example upstream
	@exec tests/upstream/demo

test-upstream: ## pycose opens the sealed batches of the relay
	@image/install-packages build test upstream
	@tests/upstream/run

test-dlms-server: ## gurux-dlms pulls registers and quarter-hours from the gateway's own DLMS server
	@image/install-packages build test upstream
	@tests/dlms-server/run

.PHONY: test-est
test-est: ## a server of another maker certifies the device's key (EST_SERVER: globalsign's estserver)
	@image/install-packages build test
	cargo build --locked -p gateway -p wattle-headend --bins
	WATTLE_EST_SERVER=$(or $(EST_SERVER),$(error EST_SERVER names the estserver of globalsign/est)) cargo test --locked -p e2e --test est_server -- --nocapture

test-openadr: ## a real VTN with PostgreSQL sends events, prices, takes the household's word (builds it once)
	@image/install-packages build test openadr
	@tests/openadr/run

test-upstream-kills: ## kill gateways, head-end workers and the broker KILLS times (default 100): rows stay the same
	@image/install-packages build test
	cargo build --locked -p gateway -p wattle-headend --bins
	WATTLE_KILLS=$(or $(KILLS),100) cargo test --locked -p e2e --test relay kills_lose -- --nocapture

test-upstream-drain: ## 30 days without a head-end, three meters, drained over 1 Mbit/s (as root; DAYS, MBIT)
	@image/install-packages build test
	cargo build --locked -p gateway -p wattle-headend --bins
	WATTLE_OUTAGE_DAYS=$(or $(DAYS),30) WATTLE_OUTAGE_MBIT=$(or $(MBIT),1) cargo test --locked -p e2e --test relay_outage -- --nocapture

test-upstream-chaos: ## ROUNDS (default 100) of kills and cuts: NATS cluster, bridged brokers, gateways, workers (as root)
	@image/install-packages build test
	cargo build --locked -p gateway -p wattle-headend --bins
	WATTLE_CHAOS=$(or $(ROUNDS),100) cargo test --locked -p e2e --test relay_chaos -- --nocapture

bench: ## measure: decoders beside others, the daemon, the display
	@image/install-packages build test
	cargo bench --locked -p meter-link --bench sml
	cargo bench --locked -p meter-link --bench mbus
	@tests/bench/mbus
	@tests/bench/dlms
	@tests/bench/daemon
	@tests/bench/ports
	@tests/bench/ten-years
	@tests/bench/clients
	@tests/bench/nilm
	@tests/bench/headend
	cargo run --locked --release -p ui --example measure

signatures: ## fit the library of appliances anew (CORPUS: a folder with nilm/*.csv.gz)
	cargo run --locked --release -p gateway --bin wattle -- nilm train --out assets/signatures \
		$(foreach home,ideal_h65_60s refit_h2_60s tracebase_a_3s tracebase_c_3s ukdale_h1_6s_mains_boiler ukdale_h2_60s,--in $(CORPUS)/nilm/$(home).csv.gz)

test-kills: ## kill the daemon KILLS times (default 200): no invocation counter may come twice
	@image/install-packages build test
	cargo build --locked -p gateway --bin wattle
	WATTLE_KILLS=$(or $(KILLS),200) cargo test --locked -p e2e --test dlms no_kill -- --nocapture

test-dribble: ## a load profile whose bytes come 5 ms apart, with losses, damage and noise (ten minutes)
	@image/install-packages build test
	WATTLE_DRIBBLE_MS=5 WATTLE_DRIBBLE_ROWS=2880 cargo test --locked -p meter-link --test dlms_client bytes_come -- --nocapture

.PHONY: test-noise
test-noise: ## noise at the speed of the lines and pulled cables for MINUTES (default 60)
	@image/install-packages build test
	cargo build --locked -p gateway --bin wattle
	WATTLE_NOISE_MINUTES=$(or $(MINUTES),60) cargo test --locked -p e2e --test noise -- --nocapture

.PHONY: test-zigbee
test-zigbee: ## zigbee-herdsman, bellows and zigpy-znp accept the simulated Zigbee sticks; backups both ways
	@image/install-packages build test zigbee
	@tests/zigbee/run

fuzz: ## try every decoder with made-up bytes, SECONDS each (default 20)
	@image/install-packages build
	@tests/fuzz

clean: ## remove what was built
	cargo clean
