# our parsers against those of others
noinst_PROGRAMS += tests/differential/print_addresses tests/differential/print_headers
dist_check_SCRIPTS += tests/differential/check-readers
EXTRA_DIST += \
	tests/differential/addresses.py \
	tests/differential/headers.py \
	tests/differential/readers.py

tests_differential_print_addresses_SOURCES = tests/differential/print_addresses.c
tests_differential_print_addresses_LDADD = \
	daemon/smtpd/libsmtpd.a \
	common/libcommon.a \
	$(IDN2_LIBS)

tests_differential_print_headers_SOURCES = tests/differential/print_headers.c
tests_differential_print_headers_LDADD = \
	daemon/smtpd/libsmtpd.a \
	common/libcommon.a \
	$(IDN2_LIBS)
