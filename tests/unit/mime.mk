# unit tests of daemon/mime
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_mime
endif
MIME_LIBS = daemon/mime/libmime.a daemon/core/libcore.a common/libcommon.a $(CMOCKA_LIBS) \
	$(GMIME_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS) $(IDN2_LIBS)

tests_unit_test_mime_SOURCES = tests/unit/test_mime.c
tests_unit_test_mime_CFLAGS = $(UNIT_CFLAGS) $(GMIME_CFLAGS)
tests_unit_test_mime_LDADD = $(MIME_LIBS)
