# scripts: checks that `make check` runs, and what people run by hand
noinst_PROGRAMS += scripts/list-options
scripts_list_options_SOURCES = scripts/list-options.c
scripts_list_options_LDADD = daemon/config/libconf.a common/libcommon.a $(CONFIG_LIBS) $(IDN2_LIBS)

dist_check_SCRIPTS += scripts/check-docs scripts/check-layers
EXTRA_DIST += scripts/cppcheck.cfg scripts/format scripts/packages.sh scripts/quickstart scripts/test
