"""Who proposes: the search loop, the searchers and the face's Search."""
