"""What a data engineer does to a running application: see how far it is, mend and redrive what was refused."""
