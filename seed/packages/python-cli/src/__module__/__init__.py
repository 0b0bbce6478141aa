"""{{ name }}: {{ short }}"""

__version__ = "{{ version }}"
