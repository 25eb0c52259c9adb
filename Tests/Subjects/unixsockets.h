// What the subjects of unix sockets share.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Set by the word "common" behind KIND: only what every CRIU carries.
extern bool only_common;

// Reads n bytes, however they come.
void exact_read(int fd, void *bytes, size_t n);
// Ends the subject unless SO_PEERCRED names this process with our own ids.
void expect_peer(int fd, pid_t pid);
// KIND listen and dgram.
void unix_listen(void);
void unix_dgram(void);
// KIND outside-dgram, outside-all and outside-closed.
void unix_outside(const char *which);
// Sends bytes and descriptors in one message.
void send_rights(int fd, const char *bytes, size_t n, const int *rights, int count);
// Receives one message; answers with how many descriptors came.
int receive_rights(int fd, char *bytes, size_t n, ssize_t *length, int *rights);
// Descriptors of many kinds that wait in messages.
void unix_passed(void);
