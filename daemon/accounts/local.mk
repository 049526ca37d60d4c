# daemon/accounts: the accounts role
noinst_LIBRARIES += daemon/accounts/libaccounts.a
daemon_accounts_libaccounts_a_SOURCES = \
	daemon/accounts/accounts.c \
	daemon/accounts/accounts.h \
	daemon/accounts/alert.c \
	daemon/accounts/alert.h \
	daemon/accounts/base64_buf.c \
	daemon/accounts/base64_buf.h \
	daemon/accounts/db.c \
	daemon/accounts/db.h \
	daemon/accounts/db_query.c \
	daemon/accounts/db_query.h \
	daemon/accounts/db_rows.c \
	daemon/accounts/db_rows.h \
	daemon/accounts/grants.c \
	daemon/accounts/grants.h \
	daemon/accounts/password.c \
	daemon/accounts/password.h \
	daemon/accounts/profile.c \
	daemon/accounts/profile.h \
	daemon/accounts/profile_fields.c \
	daemon/accounts/refusal.c \
	daemon/accounts/refusal.h \
	daemon/accounts/routes.c \
	daemon/accounts/routes.h \
	daemon/accounts/sasl.c \
	daemon/accounts/sasl.h \
	daemon/accounts/sasl_cache.c \
	daemon/accounts/sasl_cache.h \
	daemon/accounts/sasl_verify.c \
	daemon/accounts/sasl_verify.h \
	daemon/accounts/seal.c \
	daemon/accounts/seal.h \
	daemon/accounts/table.c \
	daemon/accounts/table.h \
	daemon/accounts/user.c \
	daemon/accounts/user.h \
	daemon/accounts/userlist.c \
	daemon/accounts/userlist.h \
	daemon/accounts/verifier.c \
	daemon/accounts/verifier.h
