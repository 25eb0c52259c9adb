/// Who used objects of System V IPC, as `crplan.json` has it; CRIU's images have no field for that.
struct SystemVExtras: Codable, Equatable {
    struct Segment: Codable, Equatable {
        var id: UInt32
        var creator: Int32
    }
    struct Semaphores: Codable, Equatable {
        var id: UInt32
        var lastUsers: [Int32]
    }
    struct Queue: Codable, Equatable {
        var id: UInt32
        var lastSender: Int32
        var lastReceiver: Int32
    }
    var segments: [Segment]
    var semaphores: [Semaphores]
    var queues: [Queue]
    /// Nil for none.
    var adjustments: [SemaphoreAdjustmentImage]?

    /// Nil where there is nothing to say.
    init?(_ image: SystemVImage) {
        if image.isEmpty { return nil }
        segments = image.segments.map {
            Segment(id: $0.object.id, creator: $0.creator)
        }
        semaphores = image.semaphores.map { Semaphores(id: $0.object.id, lastUsers: $0.lastUsers) }
        queues = image.queues.map {
            Queue(id: $0.object.id, lastSender: $0.lastSender, lastReceiver: $0.lastReceiver)
        }
        adjustments = image.adjustments.isEmpty ? nil : image.adjustments
    }

    func apply(to image: inout SystemVImage) {
        image.adjustments = adjustments ?? []
        for row in segments {
            guard let place = image.segments.firstIndex(where: { $0.object.id == row.id }) else { continue }
            image.segments[place].creator = row.creator
        }
        for row in semaphores {
            guard let place = image.semaphores.firstIndex(where: { $0.object.id == row.id }),
                row.lastUsers.count == image.semaphores[place].values.count
            else { continue }
            image.semaphores[place].lastUsers = row.lastUsers
        }
        for row in queues {
            guard let place = image.queues.firstIndex(where: { $0.object.id == row.id }) else { continue }
            image.queues[place].lastSender = row.lastSender
            image.queues[place].lastReceiver = row.lastReceiver
        }
    }
}
