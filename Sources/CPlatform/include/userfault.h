#ifndef CP_USERFAULT_H
#define CP_USERFAULT_H

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

// ioctl numbers of include/uapi/linux/userfaultfd.h, which Swift cannot import as the macros take sizes of types.
enum {
    CP_UFFDIO_API = (int)UFFDIO_API,
    CP_UFFDIO_REGISTER = (int)UFFDIO_REGISTER,
    CP_UFFDIO_COPY = (int)UFFDIO_COPY,
};

#endif
