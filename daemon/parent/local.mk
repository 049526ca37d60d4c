# daemon/parent: starts the roles, watches them, binds the ports
