// The C that Swift needs: variadic calls, macros with casts, conflicting headers, code after fork, signal
// handlers; and the headers of the libraries that carry YAML, protobuf, capabilities and SHA-256.
#ifndef CPLATFORM_H
#define CPLATFORM_H

#include "bpf.h"
#include "cpu.h"
#include "image_messages.h"
#include "kernel_abi.h"
#include "libraries.h"
#include "mount_work.h"
#include "namespace_init.h"
#include "page_hash.h"
#include "rescue.h"
#include "rpc/rpc.pb-c.h"
#include "stub.h"
#include "syscalls.h"
#include "system_call_numbers.h"
#include "sysv.h"
#include "userfault.h"

#endif
