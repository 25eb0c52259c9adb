/// Stable codes of findings: 1xx files, 2xx sockets, 3xx namespaces and control groups, 4xx terminals, sessions and
/// locks, 5xx memory and devices, 6xx tasks, kernel and privilege, 8xx policies and selection.
package enum FindingCode: String, CaseIterable, Sendable, Codable {
    case pathReplaced = "CRP101"
    case nameGone = "CRP102"
    case ghostTooLarge = "CRP103"
    case deletedDirectory = "CRP104"
    case fifo = "CRP105"
    case pathUnknown = "CRP106"
    case pseudoFile = "CRP107"
    case pipeOutside = "CRP108"
    case stdioOutside = "CRP109"
    case ghostFile = "CRP110"
    case messageQueue = "CRP111"
    case packetPipe = "CRP112"
    case pathOnlyObject = "CRP113"
    case externalFile = "CRP114"
    case memfd = "CRP120"
    case epoll = "CRP122"
    case inotify = "CRP125"
    case fanotify = "CRP126"
    case pidFD = "CRP127"
    case namespaceFD = "CRP128"
    case ioURing = "CRP129"
    case perfEvent = "CRP130"
    case userfaultFD = "CRP131"
    case bpf = "CRP132"
    case anonymousInode = "CRP133"
    case evasiveDevice = "CRP134"
    case unreadEvents = "CRP135"
    case fanotifyMark = "CRP136"
    case unknownFile = "CRP149"
    case fileGoesOn = "CRP150"
    case unixListen = "CRP202"
    case unixSocket = "CRP203"
    case unixBacklog = "CRP204"
    case unixOutside = "CRP210"
    case unixNameless = "CRP211"
    case unixOutsideData = "CRP212"
    case tcpListen = "CRP220"
    case tcpEstablished = "CRP221"
    case tcpInFlight = "CRP222"
    case tcpLayer = "CRP223"
    case datagramsLost = "CRP224"
    case netlinkAnswers = "CRP225"
    case packetRing = "CRP226"
    case multipathTCP = "CRP227"
    case sharedSocket = "CRP228"
    case otherSocket = "CRP229"
    case connectionGoesOn = "CRP231"
    case lockProgram = "CRP232"
    case pidNamespace = "CRP301"
    case networkNamespace = "CRP302"
    case mountNamespace = "CRP303"
    case userNamespace = "CRP304"
    case utsNamespace = "CRP305"
    case ipcNamespace = "CRP306"
    case cgroupNamespace = "CRP307"
    case namespaceForChildren = "CRP308"
    case timeNamespaceSplit = "CRP309"
    case changedRoot = "CRP310"
    case threadNamespace = "CRP311"
    case threadCgroup = "CRP312"
    case restartingUnit = "CRP313"
    case shellJob = "CRP401"
    case deadSessionLeader = "CRP402"
    case groupOutside = "CRP403"
    case deadGroupLeader = "CRP404"
    case controllingTerminal = "CRP405"
    case terminal = "CRP406"
    case terminalMaster = "CRP407"
    case flock = "CRP410"
    case posixLock = "CRP411"
    case openFileLock = "CRP412"
    case lease = "CRP413"
    case leaseUnsettled = "CRP414"
    case lockOutside = "CRP415"
    case device = "CRP501"
    case gpu = "CRP502"
    case kvm = "CRP503"
    case fuse = "CRP504"
    case watchdogDevice = "CRP505"
    case infiniband = "CRP506"
    case deviceMapping = "CRP510"
    case hugeTLB = "CRP511"
    case aio = "CRP512"
    case systemV = "CRP513"
    case sealedMapping = "CRP514"
    case droppable = "CRP515"
    case shadowStack = "CRP516"
    case userfaultMapping = "CRP517"
    case uprobes = "CRP518"
    case socketMapping = "CRP519"
    case unknownMapping = "CRP521"
    case unknownAreaFlag = "CRP522"
    case areasNotExamined = "CRP523"
    case sharedMemoryOutside = "CRP524"
    case protectionKey = "CRP525"
    case memoryPolicy = "CRP526"
    case ipcOutside = "CRP527"
    case semaphoreUndo = "CRP528"
    case seccomp = "CRP601"
    case traced = "CRP602"
    case kernelWorker = "CRP603"
    case vforked = "CRP604"
    case sharedMemorySpace = "CRP605"
    case sharedFileTable = "CRP606"
    case sharedFileSystem = "CRP607"
    case sharedHandlers = "CRP608"
    case threadOwnFiles = "CRP609"
    case uninterruptible = "CRP610"
    case leaderEnded = "CRP611"
    case kernelThread = "CRP612"
    case pendingSignals = "CRP613"
    case dumpingCore = "CRP614"
    case unreadable = "CRP615"
    case protectedProcess = "CRP617"
    case program32 = "CRP618"
    case exitSignal = "CRP619"
    case rootIsZombie = "CRP620"
    case outsideExtent = "CRP621"
    case vanished = "CRP622"
    case threadTimer = "CRP623"
    case flusher = "CRP624"
    case watchdog = "CRP626"
    case transferCut = "CRP627"
    case lostSetting = "CRP628"
    case securityLabel = "CRP629"
    case unsupportedKey = "CRP801"
    case tooManyTargets = "CRP802"
    case nothingMatched = "CRP803"
    case sameName = "CRP804"
    case brokenPattern = "CRP805"
    case unknownPrincipal = "CRP806"
    case pidfileUnusable = "CRP807"
    case groupBlocked = "CRP808"
    case outsideGroup = "CRP809"
    case unusedAllowance = "CRP810"
    case budgetWithoutPause = "CRP811"
    case sharedPidfile = "CRP812"

    /// What is the same for all findings of a code.
    package struct Entry: Equatable, Sendable {
        package let severity: Finding.Severity
        /// What it is, in a few words.
        package let title: String
        /// Why it matters, one sentence.
        package let why: String
        /// The YAML that allows it. Words in capitals stand for values of the case at hand.
        package let remedy: String?
        /// CRIU's option or image for it.
        package let criu: String?
        /// What of the kernel makes it so. For `crplan explain`.
        package let kernel: String
        /// What it costs at restore when it is allowed or carried. For `crplan explain`.
        package let restore: String

        init(
            _ severity: Finding.Severity, _ title: String, criu: String? = nil, remedy: String? = nil,
            _ why: String, kernel: String, restore: String
        ) {
            self.severity = severity
            self.title = title
            self.why = why
            self.remedy = remedy
            self.criu = criu
            self.kernel = kernel
            self.restore = restore
        }
    }
}
