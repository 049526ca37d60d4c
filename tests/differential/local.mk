# our parsers against those of others
noinst_PROGRAMS += tests/differential/print_addresses
dist_check_SCRIPTS += tests/differential/check-addresses
EXTRA_DIST += tests/differential/addresses.py

tests_differential_print_addresses_SOURCES = tests/differential/print_addresses.c
tests_differential_print_addresses_LDADD = \
	daemon/smtpd/libsmtpd.a \
	common/libcommon.a \
	$(IDN2_LIBS)
