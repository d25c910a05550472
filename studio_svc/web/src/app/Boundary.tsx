import { Component, type ReactNode } from "react";

/** What is shown when the page itself fails: that it did, and what to do. */
export class Boundary extends Component<{ children: ReactNode }, { failure: string | null }> {
  override state = { failure: null };

  static getDerivedStateFromError(error: unknown): { failure: string } {
    return { failure: error instanceof Error ? error.message : String(error) };
  }

  override render(): ReactNode {
    if (this.state.failure === null) return this.props.children;
    return (
      <p className="alarm" role="alert">
        The page failed: {this.state.failure}. Trading is not touched by that.{" "}
        <a href={location.href}>Load the page again</a>
      </p>
    );
  }
}
