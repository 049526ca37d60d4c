# connections, TLS, keys and certificates
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_ca tests/unit/test_conn tests/unit/test_conn_tls tests/unit/test_keypair \
	tests/unit/test_keys tests/unit/test_tls_server
endif
NET_LIBS = daemon/core/libcore.a $(UNIT_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS)

tests_unit_test_conn_SOURCES = tests/unit/test_conn.c tests/unit/peers.c tests/unit/peers.h
tests_unit_test_conn_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_conn_LDADD = $(NET_LIBS)

tests_unit_test_conn_tls_SOURCES = tests/unit/test_conn_tls.c \
	tests/unit/certs.c tests/unit/certs.h tests/unit/peers.c tests/unit/peers.h
tests_unit_test_conn_tls_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_conn_tls_LDADD = $(NET_LIBS)

tests_unit_test_ca_SOURCES = tests/unit/test_ca.c
tests_unit_test_ca_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ca_LDADD = daemon/parent/libparent.a $(NET_LIBS)

tests_unit_test_keys_SOURCES = tests/unit/test_keys.c
tests_unit_test_keys_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_keys_LDADD = daemon/parent/libparent.a daemon/config/libconf.a $(NET_LIBS) \
	$(CONFIG_LIBS)


tests_unit_test_keypair_SOURCES = tests/unit/test_keypair.c tests/unit/certs.c tests/unit/certs.h
tests_unit_test_keypair_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_keypair_LDADD = daemon/parent/libparent.a daemon/config/libconf.a $(NET_LIBS) \
	$(CONFIG_LIBS)


tests_unit_test_tls_server_SOURCES = tests/unit/test_tls_server.c tests/unit/certs.c tests/unit/certs.h
tests_unit_test_tls_server_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_tls_server_LDADD = $(NET_LIBS)
