export function Side({ side }: { side: string }) {
  const isUp = side === "long" || side === "buy" || side === "enter_long";
  const isOut = side === "exit";
  const text = side.replace("enter_", "");
  return <span className={`chip ${isOut ? "out" : isUp ? "up" : "down"}`}>{text}</span>;
}

/** Where a configuration stands. */
export function Stage({ stage, retired = false }: { stage: string; retired?: boolean }) {
  return (
    <span className={`chip stage ${stage.toLowerCase()}`}>
      {retired ? "retired" : stage.toLowerCase()}
    </span>
  );
}
