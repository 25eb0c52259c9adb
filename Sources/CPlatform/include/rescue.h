// When this process crashes while a traced thread runs on registers of ours: put them back and let it go.
// The healing stub covers a SIGKILL; this covers our own faults, and leaves nothing to heal.
#ifndef CP_RESCUE_H
#define CP_RESCUE_H

#include <stdint.h>
#include <sys/user.h>

/// Installs handlers for the fatal signals, on a stack of their own.
void cp_rescue_install(void);

/// Remembers the thread's own mask and registers (struct user_regs_struct) until it is disarmed.
void cp_rescue_arm_registers(int tid, uint64_t mask, const struct user_regs_struct *registers);
void cp_rescue_disarm(int tid);

/// From now on SIGTERM, SIGINT and SIGHUP set a flag instead of ending the process.
void cp_cancellation_install(void);
/// The signal that asked us to stop, or 0.
int cp_cancellation_signal(void);

#endif
