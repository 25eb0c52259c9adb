/// Moments of a dump at which programs of the operator are called.
package enum CallStage: Sendable, Equatable {
    /// The tree runs and was looked at; nothing was begun.
    case beforeFreeze
    /// The tree is stopped and fits the policy; nothing was copied yet.
    case frozen
    /// The tree is stopped, its images are complete.
    case imagesComplete
    /// The tree is stopped and about to run on.
    case beforeThaw
    /// The tree runs again after `frozen`, whether the dump went well or not.
    case thawed
}
