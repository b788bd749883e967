raise ImportError("the library of the exchange is missing")
