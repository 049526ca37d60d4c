# unit tests of the grammars: bytes in, values out
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_addresses \
	tests/unit/test_authorize \
	tests/unit/test_base64 \
	tests/unit/test_clock \
	tests/unit/test_cap \
	tests/unit/test_choosing \
	tests/unit/test_domain \
	tests/unit/test_enhanced \
	tests/unit/test_format \
	tests/unit/test_header \
	tests/unit/test_log \
	tests/unit/test_mailaddr \
	tests/unit/test_netaddr \
	tests/unit/test_percent \
	tests/unit/test_priority \
	tests/unit/test_rate \
	tests/unit/test_sender_rules \
	tests/unit/test_smtp_line \
	tests/unit/test_smtp_parameters \
	tests/unit/test_smtp_reply \
	tests/unit/test_smtp_verb \
	tests/unit/test_trace \
	tests/unit/test_url \
	tests/unit/test_utf8 \
	tests/unit/test_varint \
	tests/unit/test_xtext
endif

tests_unit_test_addresses_SOURCES = tests/unit/test_addresses.c
tests_unit_test_addresses_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_addresses_LDADD = daemon/smtpd/libsmtpd.a $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_authorize_SOURCES = tests/unit/test_authorize.c
tests_unit_test_authorize_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_authorize_LDADD = daemon/smtpd/libsmtpd.a $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_base64_SOURCES = tests/unit/test_base64.c
tests_unit_test_base64_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base64_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_choosing_SOURCES = tests/unit/test_choosing.c
tests_unit_test_choosing_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_choosing_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)
tests_unit_test_cap_SOURCES = tests/unit/test_cap.c
tests_unit_test_cap_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_cap_LDADD = $(UNIT_LIBS)

tests_unit_test_domain_SOURCES = tests/unit/test_domain.c
tests_unit_test_domain_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_domain_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_enhanced_SOURCES = tests/unit/test_enhanced.c
tests_unit_test_enhanced_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_enhanced_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_format_SOURCES = tests/unit/test_format.c
tests_unit_test_format_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_format_LDADD = $(UNIT_LIBS)

tests_unit_test_header_SOURCES = tests/unit/test_header.c
tests_unit_test_header_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_header_LDADD = daemon/smtpd/libsmtpd.a $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = $(UNIT_LIBS)

tests_unit_test_mailaddr_SOURCES = tests/unit/test_mailaddr.c
tests_unit_test_mailaddr_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_mailaddr_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_netaddr_SOURCES = tests/unit/test_netaddr.c
tests_unit_test_netaddr_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netaddr_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_percent_SOURCES = tests/unit/test_percent.c
tests_unit_test_percent_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_percent_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_priority_SOURCES = tests/unit/test_priority.c
tests_unit_test_priority_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_priority_LDADD = daemon/smtpd/libsmtpd.a $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_rate_SOURCES = tests/unit/test_rate.c
tests_unit_test_rate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rate_LDADD = $(UNIT_LIBS)

tests_unit_test_sender_rules_SOURCES = tests/unit/test_sender_rules.c
tests_unit_test_sender_rules_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_sender_rules_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_smtp_line_SOURCES = tests/unit/test_smtp_line.c
tests_unit_test_smtp_line_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_smtp_line_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_smtp_reply_SOURCES = tests/unit/test_smtp_reply.c
tests_unit_test_smtp_reply_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_smtp_reply_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_smtp_verb_SOURCES = tests/unit/test_smtp_verb.c
tests_unit_test_smtp_verb_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_smtp_verb_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_trace_SOURCES = tests/unit/test_trace.c
tests_unit_test_trace_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_trace_LDADD = daemon/smtpd/libsmtpd.a $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_url_SOURCES = tests/unit/test_url.c
tests_unit_test_url_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_url_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_utf8_SOURCES = tests/unit/test_utf8.c
tests_unit_test_utf8_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_utf8_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_varint_SOURCES = tests/unit/test_varint.c
tests_unit_test_varint_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_varint_LDADD = $(UNIT_LIBS)

tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_clock_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_smtp_parameters_SOURCES = tests/unit/test_smtp_parameters.c
tests_unit_test_smtp_parameters_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_smtp_parameters_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_xtext_SOURCES = tests/unit/test_xtext.c
tests_unit_test_xtext_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_xtext_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)
