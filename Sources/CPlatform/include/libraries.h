#ifndef CP_LIBRARIES_H
#define CP_LIBRARIES_H

#include <gnu/libc-version.h>
#include <nftables/libnftables.h>
#include <openssl/evp.h>
#include <protobuf-c/protobuf-c.h>
#include <sys/capability.h>
#include <yaml.h>

#endif
