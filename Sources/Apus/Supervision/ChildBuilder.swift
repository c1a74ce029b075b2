/// Collects the children of a supervisor, in start order.
@resultBuilder
public enum ChildBuilder {
    /// One child.
    public static func buildExpression(_ child: Child) -> [Child] { [child] }
    /// Some children.
    public static func buildExpression(_ children: [Child]) -> [Child] { children }
    /// A dynamic supervisor.
    public static func buildExpression(_ supervisor: DynamicSupervisor) -> [Child] { [supervisor.child] }
    /// All of them, in order.
    public static func buildBlock(_ parts: [Child]...) -> [Child] { parts.flatMap { $0 } }
    /// Those of an `if`.
    public static func buildOptional(_ part: [Child]?) -> [Child] { part ?? [] }
    /// Those of an `if` with an `else`, or of a `switch`.
    public static func buildEither(first part: [Child]) -> [Child] { part }
    /// The same.
    public static func buildEither(second part: [Child]) -> [Child] { part }
    /// Those of a `for`.
    public static func buildArray(_ parts: [[Child]]) -> [Child] { parts.flatMap { $0 } }
}
