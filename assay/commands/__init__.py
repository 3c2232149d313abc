"""What each command of `assay` does; a module a family, imported only when it is called."""
