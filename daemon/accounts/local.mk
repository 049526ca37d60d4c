# daemon/accounts: the accounts role
noinst_LIBRARIES += daemon/accounts/libaccounts.a
daemon_accounts_libaccounts_a_SOURCES = \
	daemon/accounts/accounts.c \
	daemon/accounts/accounts.h
