// The image messages that scripts/images generates from protos/images.
#ifndef CP_IMAGE_MESSAGES_H
#define CP_IMAGE_MESSAGES_H

#include "images/cgroup.pb-c.h"
#include "images/core.pb-c.h"
#include "images/cpuinfo.pb-c.h"
#include "images/files.pb-c.h"
#include "images/ipc.pb-c.h"
#include "images/memory.pb-c.h"
#include "images/namespaces.pb-c.h"
#include "images/mount.pb-c.h"
#include "images/net.pb-c.h"
#include "images/seccomp.pb-c.h"
#include "images/stats.pb-c.h"
#include "images/tcp.pb-c.h"
#include "images/timens.pb-c.h"
#include "images/tree.pb-c.h"
#include "images/tty.pb-c.h"
#include "images/x86.pb-c.h"

#endif
