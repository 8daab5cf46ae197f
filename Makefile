# trajd. `make demo` and `make test` do everything; `make` builds and installs nothing.
# A variant lives in its own folder: make VARIANT=asan | tsan | fuzz.
VERSION := 0.1.0
SOVERSION := 0
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
CC ?= cc
PYTHON ?= /usr/bin/python3
VARIANT ?=
, := ,
B := build$(addprefix /,$(VARIANT))
O := $(B)/obj

# ---- flags; a user's CFLAGS, CPPFLAGS and LDFLAGS are added, never required
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
  -Wcast-qual -Wdouble-promotion -Wformat=2 -Wundef -Wvla -Wwrite-strings $(if $(WERROR),-Werror)
SAN.asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN.clang :=
SAN.tsan := -fsanitize=thread -fno-omit-frame-pointer
SAN.fuzz := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN := $(SAN.$(VARIANT))
PKGS := libzmq sqlite3 libcjson libmicrohttpd libzstd libcurl
ALL_CPPFLAGS = -Ischema -Iclient -Idaemon -I$(B)/gen -D_POSIX_C_SOURCE=200809L -DTRAJ_BUILD_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS = -std=c17 $(WARN) -fPIC -fvisibility=hidden -fno-math-errno -ffp-contract=off -pthread $(CFLAGS) $(SAN)
ALL_LDFLAGS = -pthread $(LDFLAGS) $(SAN)
LIB_LIBS := -lzmq -lm
DAEMON_LIBS := -lzmq -lsqlite3 -lcjson -lmicrohttpd -lzstd -lcurl -lm

# ---- what is built from what
LIB_SRC := $(wildcard client/*.c client/watch/*.c client/math/*.c client/wire/*.c client/transport/*.c)
CLI_SRC := $(wildcard client/cli/*.c)
DAEMON_SRC := $(filter-out daemon/main.c daemon/sql/extension.c,$(wildcard daemon/*.c daemon/*/*.c))
READ_SRC := $(filter-out daemon/sql/extension.c,$(wildcard daemon/base/*.c daemon/pure/*.c daemon/store/*.c daemon/sql/*.c))
TESTLIB_SRC := $(wildcard tests/lib/*.c)
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c)) $(patsubst tests/fault/%.c,%,$(wildcard tests/fault/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
TRAINERS := $(patsubst tests/integration/%.c,%,$(wildcard tests/integration/*.c)) hazards_ofast
EXAMPLES := $(patsubst client/examples/%.c,%,$(wildcard client/examples/*.c))
obj = $(patsubst %.c,$(O)/%.o,$(1))
ext_obj = $(patsubst %.c,$(O)/extension/%.o,$(1))
WEB_SRC := $(wildcard web/src/*.ts web/src/*/*.ts web/*.html web/*.css web/src/*.css web/*.mjs web/package-lock.json)
MIGRATIONS := $(sort $(wildcard schema/store/*.sql))

.PHONY: all test oracle demo bench bench-store soak lint install uninstall clean deps unit trainers asan tsan fuzz format web
all: check-deps $(B)/trajd $(B)/traj $(B)/trajd_tables.so $(B)/libtraj.so $(B)/libtraj.a $(EXAMPLES:%=$(B)/examples/%)

# Says what is missing, installs nothing.
.PHONY: check-deps
check-deps:
	@tests/lib/deps.sh check build

deps:
	@tests/lib/deps.sh install build test

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# libtraj: one object, internal names made local, so that a user's own
# crc32c or fit_ols never meets ours.
$(B)/libtraj.a: $(call obj,$(LIB_SRC))
	$(CC) -nostdlib -r -o $(O)/libtraj.o $^
	objcopy --localize-hidden $(O)/libtraj.o
	rm -f $@ && $(AR) rcs $@ $(O)/libtraj.o
$(B)/libtraj.so: $(B)/libtraj.so.$(SOVERSION)
	ln -sf libtraj.so.$(SOVERSION) $@
$(B)/libtraj.so.$(SOVERSION): $(call obj,$(LIB_SRC)) client/libtraj.map
	$(CC) -shared -Wl,-soname,libtraj.so.$(SOVERSION) -Wl,--version-script=client/libtraj.map -Wl,-z,defs \
	  $(ALL_LDFLAGS) -o $@ $(call obj,$(LIB_SRC)) $(LIB_LIBS)

# What the daemon, the CLI and the tests share: the same objects, all names.
$(O)/traj_internal.a: $(call obj,$(LIB_SRC))
	rm -f $@ && $(AR) rcs $@ $^
$(O)/trajd_internal.a: $(call obj,$(DAEMON_SRC)) $(O)/gen/assets.o $(O)/gen/migrations.o
	rm -f $@ && $(AR) rcs $@ $^
# What reads a database: the daemon's objects without its threads and its HTTP.
$(O)/trajd_read.a: $(call obj,$(READ_SRC)) $(O)/gen/migrations.o
	rm -f $@ && $(AR) rcs $@ $^
$(O)/testlib.a: $(call obj,$(TESTLIB_SRC))
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^

$(B)/trajd: $(O)/daemon/main.o $(O)/trajd_internal.a $(O)/traj_internal.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
$(B)/traj: $(call obj,$(CLI_SRC)) $(O)/trajd_read.a $(O)/traj_internal.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcurl -lcjson -lsqlite3 -lzstd $(LIB_LIBS)

# The tables for other programs' SQLite: what calls SQLite once more, with the
# host's functions in place of the library's (daemon/sql/extension_api.h).
$(O)/extension/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) -include sql/extension_api.h $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/extension/tables.a: $(call ext_obj,$(wildcard daemon/store/*.c) $(filter-out daemon/sql/extension.c,$(wildcard daemon/sql/*.c)))
	rm -f $@ && $(AR) rcs $@ $^
$(B)/trajd_tables.so: $(call ext_obj,daemon/sql/extension.c) $(O)/extension/tables.a $(O)/trajd_read.a $(O)/traj_internal.a
	$(CC) -shared $(if $(SAN),,-Wl$(,)-z$(,)defs) $(ALL_LDFLAGS) -o $@ $^ -lzstd -lm
$(B)/examples/lstm: $(call obj,$(wildcard client/examples/lstm/*.c) client/examples/common/rng.c)
$(B)/examples/analytic: $(call obj,$(wildcard client/examples/analytic/*.c client/examples/common/*.c))
$(B)/examples/mlp: $(call obj,$(wildcard client/examples/mlp/*.c client/examples/common/*.c))
$(B)/examples/%: $(O)/client/examples/%.o $(B)/libtraj.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)

# ---- generated: migrations and the page, both embedded
$(B)/gen/migrations.S: $(MIGRATIONS) schema/openapi.yaml tests/lib/embed.sh
	@mkdir -p $(@D)
	tests/lib/embed.sh migrations $(MIGRATIONS) > $@
web/node_modules/.stamp: web/package-lock.json
	@tests/lib/deps.sh check build
build/web/.stamp: $(WEB_SRC) schema/openapi.yaml web/node_modules/.stamp
	cd web && node build.mjs ../build/web
	cd web && node openapi_json.mjs ../schema/openapi.yaml ../build/web/openapi.json
	touch $@
web: build/web/.stamp
$(B)/gen/assets.S: build/web/.stamp tests/lib/embed.sh
	@mkdir -p $(@D)
	tests/lib/embed.sh assets build/web > $@
$(O)/gen/%.o: $(B)/gen/%.S
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

# ---- tests
$(B)/tests/%: $(O)/tests/unit/%.o $(O)/testlib.a $(O)/trajd_internal.a $(O)/traj_internal.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -lcmocka
$(B)/tests/%: $(O)/tests/fault/%.o $(O)/testlib.a $(O)/trajd_internal.a $(O)/traj_internal.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -lcmocka
$(B)/bench/%: $(O)/tests/bench/%.o $(O)/testlib.a $(O)/trajd_internal.a $(O)/traj_internal.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
# A training with the example's model: libtraj as a user has it, for both have names of their own.
$(B)/bench/bench_watch: $(O)/tests/bench/bench_watch.o $(O)/tests/lib/bench_daemon.o \
  $(call obj,$(filter-out %/options.c,$(wildcard client/examples/lstm/*.c)) client/examples/common/rng.c) $(B)/libtraj.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)
# Their allocations fail one by one.
$(B)/tests/test_fit_state_faults $(B)/tests/test_verdict_faults: private ALL_LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
# Trainers of the integration tests: traj.h and libtraj.a, as a user has them.
# Built before the tests, which run side by side and could not build them.
trainers: $(TRAINERS:%=$(B)/integration/%)
$(B)/integration/%: $(O)/tests/integration/%.o $(B)/libtraj.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)
# One of them as a trainer built with -Ofast is: flags for itself, not for libtraj.
$(O)/tests/integration/hazards_ofast.o: tests/integration/hazards.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Ofast -MMD -MP -c -o $@ $<
$(B)/integration/hazards_ofast: private ALL_LDFLAGS += -Ofast
$(B)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/trajd_internal.a $(O)/traj_internal.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(DAEMON_LIBS)
unit: $(UNIT:%=$(B)/tests/%)
fuzz-targets: $(FUZZ:%=$(B)/fuzz/%)
benches: $(BENCH:%=$(B)/bench/%)
.PHONY: fuzz-targets benches

test:
	@tests/run.sh
demo:
	@tests/lib/deps.sh install build
	@$(MAKE) --no-print-directory -s all
	@client/examples/demo.sh $(if $(ONCE),--once)
bench: all benches
	@tests/bench/run.sh
# Beside the stores of others; installs them. BENCH_STORE: --quick, --full, --only NAME.
bench-store:
	@tests/lib/deps.sh install build bench-store
	@$(MAKE) --no-print-directory -s all $(B)/bench/store_writer
	@$(PYTHON) tests/bench/store/run.py --table build/bench-store.md $(BENCH_STORE)
$(B)/bench/store_writer: $(O)/tests/bench/store/writer.o $(B)/libtraj.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS) -lsqlite3
# A thousand random kills, half an hour. SOAK: how many, and a seed.
soak: all trainers
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/soak/kills.py $(SOAK)
# What intervals cover, on ten times the data sets of `make test`. ORACLE_SETS: how many.
oracle: all
	@ORACLE_SETS=$(or $(ORACLE_SETS),10000) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -q -s -p no:cacheprovider \
	  tests/oracle/test_coverage.py
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-targets
	@tests/fuzz/run.sh
lint:
	@tests/lib/lint.sh
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# ---- installing
ROOT = $(DESTDIR)$(PREFIX)
LIBROOT = $(DESTDIR)$(LIBDIR)
install: all
	install -d "$(ROOT)/bin" "$(ROOT)/include" "$(LIBROOT)/pkgconfig" "$(ROOT)/share/man/man1" "$(ROOT)/share/man/man3" \
	  "$(ROOT)/share/man/man5" "$(ROOT)/share/man/man8"
	install -m 755 $(B)/trajd $(B)/traj "$(ROOT)/bin"
	install -m 644 client/traj.h "$(ROOT)/include"
	install -m 644 $(B)/libtraj.a "$(LIBROOT)"
	install -m 755 $(B)/libtraj.so.$(SOVERSION) "$(LIBROOT)"
	ln -sf libtraj.so.$(SOVERSION) "$(LIBROOT)/libtraj.so"
	sed -e 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@VERSION@|$(VERSION)|' client/traj.pc.in > "$(LIBROOT)/pkgconfig/traj.pc"
	install -d "$(LIBROOT)/trajd"
	install -m 755 $(B)/trajd_tables.so "$(LIBROOT)/trajd"
	install -m 644 client/traj.1 "$(ROOT)/share/man/man1"
	install -m 644 client/traj.3 "$(ROOT)/share/man/man3"
	install -m 644 daemon/trajd.conf.5 "$(ROOT)/share/man/man5"
	install -m 644 daemon/trajd.8 "$(ROOT)/share/man/man8"
uninstall:
	cd "$(ROOT)" && rm -f bin/trajd bin/traj include/traj.h share/man/man1/traj.1 share/man/man3/traj.3 \
	  share/man/man5/trajd.conf.5 share/man/man8/trajd.8
	cd "$(LIBROOT)" && rm -f libtraj.a libtraj.so libtraj.so.$(SOVERSION) pkgconfig/traj.pc trajd/trajd_tables.so
	rmdir "$(LIBROOT)/trajd" 2>/dev/null || true
clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
