# daemon/accounts: the accounts role
noinst_LIBRARIES += daemon/accounts/libaccounts.a
daemon_accounts_libaccounts_a_SOURCES = \
	daemon/accounts/accounts.c \
	daemon/accounts/accounts.h \
	daemon/accounts/base64_buf.c \
	daemon/accounts/base64_buf.h \
	daemon/accounts/password.c \
	daemon/accounts/password.h \
	daemon/accounts/seal.c \
	daemon/accounts/seal.h \
	daemon/accounts/verifier.c \
	daemon/accounts/verifier.h
