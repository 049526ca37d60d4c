# wire conversations with the automata, and what plays them
check_PROGRAMS += tests/dialogue/test_smtpd
EXTRA_DIST += tests/dialogue/smtpd

DIALOGUE_SMTPD_LIBS = \
	daemon/smtpd/libsmtpd.a \
	daemon/core/libcore.a \
	daemon/config/libconf.a \
	common/libcommon.a \
	$(EVENT_LIBS) $(OPENSSL_LIBS) $(CONFIG_LIBS) $(IDN2_LIBS)

tests_dialogue_test_smtpd_SOURCES = \
	tests/dialogue/test_smtpd.c \
	tests/dialogue/world.c \
	tests/dialogue/world.h
tests_dialogue_test_smtpd_LDADD = $(DIALOGUE_SMTPD_LIBS)

check_PROGRAMS += tests/dialogue/test_smuggling
tests_dialogue_test_smuggling_SOURCES = \
	tests/dialogue/test_smuggling.c \
	tests/dialogue/world.c \
	tests/dialogue/world.h
tests_dialogue_test_smuggling_LDADD = $(DIALOGUE_SMTPD_LIBS)

check_PROGRAMS += tests/dialogue/test_states
tests_dialogue_test_states_SOURCES = \
	tests/dialogue/test_states.c \
	tests/dialogue/world.c \
	tests/dialogue/world.h
tests_dialogue_test_states_LDADD = $(DIALOGUE_SMTPD_LIBS)
